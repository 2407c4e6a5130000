"""Who may ask, and how much: API keys, rate limits, allowed hosts. What a request asks for is not looked at here."""
