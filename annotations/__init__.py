"""The database, and later labels and the people who give them.

This package knows SQLAlchemy, numpy and plain files; it has never heard of torch or Streamlit, so
that a labelling station needs neither.  It may import `explain_core.params`, `errors`,
`records` and `__version__`, and nothing else of the core.
"""
