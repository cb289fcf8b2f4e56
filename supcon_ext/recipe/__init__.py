"""Recipes: what one says, how a file becomes one, and what is said when it does not.

* ``schema`` says every key; ``families`` and ``part_fields`` how it names registered parts.
* ``reading`` makes YAML or Python's values a document, whose values know their ``origins``,
  within the ``limits``; ``library`` finds the files.
* ``layers`` lays documents over each other, ``overrides`` the command line over them.
* ``load`` does all that and checks the outcome: begin there.
* ``validation_errors`` puts pydantic's errors in words, ``unknown_keys`` finds what was meant,
  ``cross_checks`` asks parts about the recipe around them; ``problems`` is what they come to.
* ``schema_walk`` shows a document beside its schema to all of these.
* ``short_stages`` warns; ``resolved`` writes a recipe out and hashes it, ``show`` with origins.
* ``components`` and ``editor`` tell people and editors what a recipe may say.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
