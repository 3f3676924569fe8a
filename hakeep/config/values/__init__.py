"""Value types: what can stand after a keyword. One module a family; `value` says what they all can do."""
