"""How examples are divided: by picture and by group, near-duplicates kept together, held-out parts."""
