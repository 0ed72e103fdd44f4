"""Do the figures of a published table fit together? Arithmetic on printed digits; no torch."""
