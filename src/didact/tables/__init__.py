"""Tables of figures, made from Records and measurements."""
