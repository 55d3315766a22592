"""Small protocol speakers that know no kind: enough to greet, authenticate and ask, and to keep the reason of a refusal."""
