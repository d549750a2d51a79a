"""One generative model a file; `medgen.contract` says what it promises."""
