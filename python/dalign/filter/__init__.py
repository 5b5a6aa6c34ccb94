"""Which completions stay: of the right form and length, within the limits of quality, without the policy in the answer.

One filter for a run's completions and for any file of them: columns in, the first reason that holds out.
"""
