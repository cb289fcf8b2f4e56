"""Values that a recipe's text may hold, for properties."""

from __future__ import annotations

from hypothesis import strategies as st

texts = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], include_characters="\t\n\r\x85"), max_size=40
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
