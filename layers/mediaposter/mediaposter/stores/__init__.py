"""The stores: records in a table (DynamoDB or SQLite), files in a bucket (S3 or a folder)."""
