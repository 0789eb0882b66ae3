"""What is kept: records in DynamoDB, MP4s in S3."""
