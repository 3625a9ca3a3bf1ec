"""What people read about a run: the verdict, caveats, tables and the page that opens offline."""
