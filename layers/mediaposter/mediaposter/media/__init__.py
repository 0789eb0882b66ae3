"""The bytes of a video on their way: as they come, walked as an MP4, taken in one verified pass."""
