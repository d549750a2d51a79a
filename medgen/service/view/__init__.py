"""A page in the browser on which a reader looks at frames and at what runs make of them."""
