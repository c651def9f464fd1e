"""The command line talks to people: data on standard output, everything else on standard error."""
