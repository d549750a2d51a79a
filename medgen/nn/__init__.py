"""Networks and what is computed with them: some serve several backends, others are one paper's own, too long for its backend.

`features` looks at frames with fixed networks, `codes` holds discrete latents and their priors, `translation` carries frames
between two domains, and `adversarial` has generators and critics. The modules beside them serve several of these.
"""
