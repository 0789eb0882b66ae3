"""OpenAI's Videos API over any video model, and posts of the result: the map.

The way of a video, in the order in which it goes:

    api.authorization               an API key becomes an IAM policy
    api.requests                    the bodies callers send, and what is refused in them
    pipeline.submit                 take a request: check, record, start; sweep up what a crash left between
    pipeline.generate               start a generation at most once, and follow it to its end
    pipeline.finalize               keep the finished video, and close its record
    pipeline.publish                submit a post at most once, and follow it to its end
    pipeline.read                   answer what is kept, to its owner alone
    pipeline.steps                  what a step of the state machine is told and what it answers
    api.video_object                a record as OpenAI's Video object, and more beside it
    api.errors                      refusals in OpenAI's envelope
    api.http                        API Gateway's events in, replies and errors out

What is kept:

    library.table                   the one DynamoDB table, every write conditional
    library.videos                  the record of a video, and the only transitions it can make
    library.posts                   the ledger of posts, and theirs
    library.keys                    API keys, kept as hashes
    library.media                   MP4s in S3: streamed in, verified, visible once; handed out
    library.probe                   what an MP4 is, and its thumbnail

Who makes the videos and who posts them:

    ai.video_model_interface        what every video model implements, and the types that cross it
    ai.waiting                      follows jobs to their end, one or many at once
    ai.video_model_factory          a model by its provider's name, imported only then
    ai.catalog                      which models exist, what fits them, what they cost (catalog.toml)
    ai.sora_model                   any server of OpenAI's Videos API
    ai.sora_wire                    its jobs, as tolerantly as those servers differ
    ai.gemini_model                 Gemini Omni, through Google's Interactions API
    ai.gemini_wire                  its interactions, read without holding a clip that is spelt out in them
    ai.runway_model                 Runway's API
    ai.runway_wire                  its tasks
    ai.provider_reply               what a provider answers over HTTP, and what that means, for any vendor
    ai.reference_image              the image that a request refers to, for any model
    safe_http                       fetches a URL that somebody else chose
    publishing.publisher_interface  what the pipeline needs of whoever posts
    publishing.targets              one closed model for each social network
    publishing.blotato_client       Blotato's REST API

The bytes of a video on their way:

    streaming.video_stream          what a provider or a bucket gives
    streaming.ingest                one verified pass over it: hashed, walked, resumed where it broke off
    streaming.mp4                   the boxes of an MP4 as its bytes come

What holds it together:

    bootstrap                       builds each collaborator once, lazily; alone knows the environment and every adapter
    config                          the settings of a stack
    errors                          what can go wrong, in one vocabulary
    events                          tells the bus what happened
    workflow                        starts the state machine
    observability                   the logger and the metrics

Imports point downwards, from each line to those below it and never back:

    functions
    bootstrap
    pipeline
    api
    library, workflow, events
    ai.catalog, ai.video_model_interface, publishing.publisher_interface, publishing.targets
    config, errors

Only bootstrap imports the adapters: ai.*_model, by way of the factory, and publishing.blotato_client. A video model
knows its vendor alone: no boto3, no library, no pipeline, no other model. `make check` holds it. Importing a module
does no I/O, reads no environment and builds no client; a test holds that.
"""
