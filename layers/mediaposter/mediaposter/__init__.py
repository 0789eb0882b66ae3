"""OpenAI's Videos API over any video model, and posts of the result: the map.

The way of a video, in the order in which it goes:

    api.authorization               an API key becomes an IAM policy
    api.caller                      who is calling, and what the key may do
    api.http                        API Gateway's events in, replies and errors out
    api.forms                       multipart forms, and what is nested in their names
    api.requests                    the bodies callers send, and what is refused in them
    api.queries                     the queries of GETs, and what is refused in them
    api.pictures                    the picture that a video begins with
    api.uploads                     a place for a picture that is too large for a request
    api.request_context                     how a request was sent, which tells whether it was sent before
    api.post_requests               the bodies of the routes about the posts of a kept video
    api.rows                        requests that come by the file, a row each, from JSON Lines or CSV
    api.columns                     what the columns of such a CSV mean
    api.records                     a file cut into its rows, never held whole
    api.results                     what became of each row, as a file
    api.sheets                      such a file as the sheet of a series, of which one row is wanted at a time
    api.intake                      requests that come as files in the bucket, events on the bus or turns of series
    pipeline.upload                 open a place for a picture, and fetch it when its video is started
    pipeline.submit                 take a request: check it, record it with its money, start its execution
    pipeline.plan_posts             the posts of a video: captions, times, and whether each network takes it
    pipeline.shape                  what a kept video is to a network
    pipeline.intake                 take the requests that come without HTTP, and answer where they came from
    pipeline.series                 let each turn of a series take one row of its sheet, and make that a video, once
    api.batches                     many requests as a batch: what callers send and are sent, and the lines in between
    pipeline.open_batch             take a batch, answer how it stands, cancel it
    pipeline.take_batch             read its file, take its rows part by part, say what became of each
    pipeline.end_batch              follow it until all videos have ended, write the results, tell of it
    pipeline.cancel                 end a video that is not kept yet, and keep its record
    pipeline.accounts               refuse accounts that are not connected; look every night for those that are gone
    pipeline.sweep                  clear up what a crash left behind, and come back to what is due
    pipeline.dispatch               start the videos that wait, as slots of their provider come free
    pipeline.announce               tell the bus of every video that is recorded
    api.table_stream                what the table's stream tells of
    pipeline.steps                  what a step of the state machine is told and what it answers
    pipeline.generate               start a generation at most once, and follow it to its end
    pipeline.pacing                 when to ask a provider whether a render is done
    pipeline.webhooks               end the wait for a render when its provider says that it has moved
    pipeline.finalize               keep the finished video, and close its record
    pipeline.approval               ask a person before a video is posted, and carry the answer to the machine
    pipeline.publish                submit a post at most once
    pipeline.look                   find out what became of a post whose answer was lost; never send it again
    pipeline.track                  follow a post until its network has published or refused it
    pipeline.repost                 post a kept video again, and take a person's word for a post nobody found
    pipeline.reschedule             move or cancel a post that waits for its time
    pipeline.read_posts             answer how posts stand, and which wait for their time
    pipeline.notify                 deliver an event to whoever wants to be told, for a day
    pipeline.read                   answer what is kept, to whoever may see it
    pipeline.delete                 stop a video, remove what is kept of it, forget its record
    api.video_object                a record as OpenAI's Video object, and more beside it
    api.objects                     the other answers: lists, models, usage, estimates, uploads
    api.webhooks                    an event as OpenAI's event object, signed for its receiver
    api.errors                      refusals in OpenAI's envelope
    api.contract                    what each route takes and answers, named beside it
    api.openapi                     the OpenAPI document that is made of all of them

What is kept:

    library.table                   the one table, every write conditional
    library.dynamodb_table          the table in DynamoDB
    library.bucket                  what a bucket does: files by their keys, in versions
    library.s3_bucket               the bucket in S3
    library.videos                  the record of a video, and the only transitions it can make
    library.posts                   the ledger of posts, and theirs
    library.approvals               what a person is asked before a video is posted, and what was answered, once
    library.batches                 the record of a batch, and what is counted with its videos
    library.batch_files             the files of a batch
    library.due                     what somebody has to come back to, by when
    library.slots                   how many videos a provider renders at once, and in which order the others wait
    library.rate                    places within the limits of whom the stack calls
    library.accounts                what is connected at the publisher
    library.keys                    API keys, kept as hashes
    library.budget                  what was spent and what is promised, by owner and day
    library.idempotency             which video a request became
    library.render_times            how long each model's renders have lately taken
    library.job_waits               where a provider's webhook and the wait for its job meet
    library.media                   MP4s in the bucket: streamed in, verified, visible once; handed out; and pictures
    library.inbox                   files that are dropped into the bucket, and the answers beside them
    library.series                  series, which rows of their sheets wait, and what each turn took
    library.sheets                  the sheets of series in the bucket
    library.probe                   what an MP4 is, its thumbnail and its spritesheet

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
    ai.fal_model                    the models that fal serves, each with fields of its own
    ai.fal_wire                     its queue
    ai.pika_model                   Pika's models, which exist only behind fal
    ai.bedrock_model                Luma's Ray, through Amazon Bedrock's asynchronous invocations
    ai.bedrock_wire                 its invocations, and what it writes into the bucket
    ai.sandbox_model                the model of the local cloud
    ai.provider_connection          an adapter's calls over HTTP: the key goes there alone, a paid call once
    ai.provider_reply               what a provider answers over HTTP, and what that means, for any vendor
    ai.reference_image              the image that a request refers to, for any model
    ai.webhook_signature            tells a vendor's webhook from a forgery or a replay
    safe_http                       reaches a URL that somebody else chose
    bounded_http                    carries requests that end by the clock, whatever a server drips
    http_reply                      reads what a server answers as data: bounded, decoded, parsed
    publishing.publisher_interface  what the pipeline needs of whoever posts
    publishing.targets              one closed model for each social network
    publishing.networks             what each network takes of a post: the one table of limits
    publishing.text_units           how networks count text: weights, bytes, UTF-16 units, graphemes
    publishing.tags                 which hashtags, mentions and links a text has
    publishing.links                what X takes for a link
    publishing.top_level_domains    the domains that such a link may end in
    publishing.blotato_client       Blotato's REST API
    publishing.blotato_wire         its answers, read as leniently as their meaning allows

The bytes of a video on their way:

    streaming.video_stream          what a provider or a bucket gives
    streaming.ingest                one verified pass over it: hashed, walked, resumed where it broke off
    streaming.mp4                   the boxes of an MP4 as its bytes come

What holds it together:

    current                         the stack that the handlers of this process serve
    stack                           builds each collaborator once, lazily, on the edges that a host supplies
    edges                           what a host supplies
    aws                             the edges on AWS; reads the environment
    vendors                         who makes the videos and who posts them; knows every adapter
    lambda_calls                    functions of the stack that another one calls
    config                          the settings of a stack
    errors                          what can go wrong, in one vocabulary
    events                          tells the bus what happened
    workflow                        starts the state machine
    observability                   the logger and the metrics

The embedded host, in one process on one machine:

    host.database                   the SQLite file: connections, transactions, its version
    host.table                      the table in it
    host.bucket                     the bucket in a folder
    host.keys_on_disk               names of files for keys of objects
    host.disk                       what files need to outlast a crash, on any system
    host.links                      links to files, signed, and what is answered to whoever opens one
    host.lock                       one host at a time in a folder

At the keyboard:

    cli                             `mediaposter`, and its groups of commands, each loaded when it is asked for
    cli.accounts                    what is connected at Blotato
    cli.keys                        make, list and revoke API keys
    cli.models                      which models there are; check a catalog of one's own
    cli.schedule                    make, list, show, change and end series
    cli.timing                      when a series has its turns, in words and as Scheduler takes it
    cli.scheduler                   the entries of series at EventBridge Scheduler
    cli.webhooks                    what an owner's webhooks are signed with
    cli.deployed_stack              a stack by its name, with the caller's rights
    cli.arguments, cli.console      what all commands read and write in the same way

Imports point downwards, from each line to those below it and never back:

    functions, cli
    current
    aws, host
    stack, vendors, lambda_calls
    edges
    pipeline
    api
    library, workflow, events
    ai.catalog, ai.video_model_interface, publishing.publisher_interface, publishing.targets
    publishing.networks
    publishing.tags
    publishing.text_units
    publishing.links
    publishing.top_level_domains
    streaming
    config, errors

Only vendors imports the adapters, ai.*_model, by way of the factory, and publishing.blotato_client; and cli.accounts
imports the last. The host imports nothing of AWS. A video model knows its vendor alone: no boto3, no library, no
pipeline, no other model. `make check` holds it. Importing a module does no I/O, reads no environment and builds no
client; a test holds that.
"""
