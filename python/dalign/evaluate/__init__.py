"""Arms against suites: graded by the judge, and by truth where a suite knows it."""
