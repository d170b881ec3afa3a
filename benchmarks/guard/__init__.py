"""What a call pays for its safety beside the statement itself, next to an engine of before."""
