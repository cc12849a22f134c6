"""What there is to know of an unsubscribe beside its entry: how the person asked, and by when the law wants it heeded. Pure."""
