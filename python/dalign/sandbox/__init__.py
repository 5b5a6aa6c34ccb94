"""The sandbox: a small world, a policy for it and a tiny reasoning model, so that everything runs anywhere."""
