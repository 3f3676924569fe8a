"""The configuration: from files to settings.

    files -> reader (words with places) -> tree -> bind against the schema -> written Config
          -> settle -> Settings, and rules; every step adds diagnostics

`keywords/` is the language, `values/` what can stand after a keyword. `files.load` is the way in; all else is pure.
"""
