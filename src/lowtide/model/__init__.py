"""The nouns: frozen dataclasses without behaviour beyond what their meaning needs."""
