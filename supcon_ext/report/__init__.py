"""A finished run or sweep as one HTML page that loads nothing from elsewhere.

``write`` finds out what is asked for; ``run_report`` and ``sweep_report`` gather the sections, a
file each: ``measures``, ``curves``, ``belief``, ``confusion``, ``errors``, ``embedding_map``,
``origin``. ``page`` puts them together.
"""
