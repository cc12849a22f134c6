"""What `doctor` looks at: the machine, the installation, DNS."""
