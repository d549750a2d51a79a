"""The command line: each command parses its options, calls one function of `medgen.api` and prints the result."""
