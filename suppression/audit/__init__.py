"""The audit trail: what a link of its chain is made of, and what proves that it is whole. Pure; its table is the store's."""
