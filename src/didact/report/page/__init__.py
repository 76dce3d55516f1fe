"""A report as one HTML file that needs no network.

html      the page from its value
chart     panels as Vega-Lite specifications
library   the plotting library that the page carries
page.js   tables that sort and filter, legends, and the drawing of panels from their tables
page.css  the style: light, dark, phones, print
"""
