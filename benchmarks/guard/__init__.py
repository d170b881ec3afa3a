"""The overhead of a call's safety, without the statement itself, compared with older engines."""
