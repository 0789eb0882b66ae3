"""What someone does who calls models through LiteLLM; run by the Python of its own environment, without pytest."""

import json
import sys
import time

import litellm

base_url, api_key, prompt = sys.argv[1:]
access = {"api_base": base_url, "api_key": api_key}

video = litellm.video_generation(prompt=prompt, model="openai/sora-2", seconds="4", size="720x1280", **access)
status = video.status
while status not in ("completed", "failed"):
    time.sleep(0.5)
    status = litellm.video_status(video.id, custom_llm_provider="openai", **access).status
content = litellm.video_content(video.id, custom_llm_provider="openai", **access)
sys.stdout.write(json.dumps({"status": status, "bytes": len(content), "kind": content[4:8].decode("latin-1")}) + "\n")
