"""How fast the service, its engine, its log and its training are, and what they take.

How they behave when harm is done to them is in `harm`.
"""
