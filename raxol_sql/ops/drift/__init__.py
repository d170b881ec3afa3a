"""What a schema is, whether it is what the migrations make, and whether these lead back."""
