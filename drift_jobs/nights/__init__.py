"""One night: which windows are judged, what each is judged by, the verdict, and who is told. SQL lies in `storage`."""
