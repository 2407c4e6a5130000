"""Who may call and how much: API keys, rate limits, allowed hosts. Nothing here looks at what a request asks for."""
