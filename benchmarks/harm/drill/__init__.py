"""Real faults, and whether the real alerts tell of them: Prometheus and Alertmanager with the rules of `deploy/`."""
