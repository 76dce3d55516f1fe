"""Figures by matplotlib, without a display. Each function returns a Figure; :func:`canvas.save`
writes it."""
