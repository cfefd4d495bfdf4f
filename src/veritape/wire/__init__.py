"""Venue protocols as data: names, widths and codes; neither parsing nor rendering."""
