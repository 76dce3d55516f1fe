"""What a report shows, as values: sections of tables, pictures' data, images and commands.

picture   panels of curves, dots and heat maps, each with its data as a table
parts     sections and what they hold
trained   the runs of a report
...       one file for each kind of section
"""
