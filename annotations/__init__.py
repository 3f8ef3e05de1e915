"""Labels, and the people who give them.

This package knows numpy and plain files; it has never heard of torch or Streamlit, so that a
labelling station needs neither.  It may import `explain_core.params`, `errors` and `records`, and
nothing else of the core.  Its tables and stores arrive with the pages that collect labels.
"""
