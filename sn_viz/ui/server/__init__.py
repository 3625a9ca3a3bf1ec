"""What serves the page: launch, guard, quotas, sessions, jobs."""
