"""What is told apart besides frames: places in them, beside maps that no model made; findings; patients, videos and volumes."""
