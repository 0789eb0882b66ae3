"""The OpenAI Videos API over any video model, and posts of the results: the map of the package.

Accept a request (HTTP, files, events, schedules):

    wire.authorization                      an API key becomes an IAM policy
    wire.caller                             the caller of a request, and the rights of its key
    wire.http                               API Gateway events in, replies and errors out
    wire.contract                           the bodies and replies of each route
    wire.request_context                    idempotency and correlation of a request
    wire.json_text                          JSON bodies, and where they are wrong
    wire.forms                              multipart forms with nested field names
    wire.requests                           the bodies of requests for videos
    wire.post_requests                      the bodies of the routes about posts
    wire.queries                            the query strings of GET routes
    wire.pictures                           the reference picture of a video
    wire.uploads                            POST /uploads, for large pictures and files of requests
    wire.rows                               files of requests: JSON, JSON Lines or CSV
    wire.columns, wire.cells                the columns of such a CSV, and what spreadsheets write into cells
    wire.records                            splits a file into records, one in memory at a time
    wire.sheets                             the rows of a series' sheet
    wire.intake                             requests from the bucket, the bus and schedules
    usecases.requests.upload                presign an upload, and read the picture when its video starts
    usecases.requests.submit                check a request, record it with its reservation, start its execution
    usecases.requests.shape                 the measures of a stored video that networks limit
    usecases.requests.intake                submit requests that come as files or events, and write their results
    usecases.scheduled.series               submit the next row of a series when its schedule runs

Generate and store the video:

    usecases.steps                          the inputs and results of the state machine's steps
    usecases.scheduled.dispatch             start waiting videos when slots of their provider become free
    usecases.generation.generate            start a generation at most once, and poll it until it ends
    usecases.generation.pacing              when to poll a provider
    usecases.generation.provider_webhooks   end the wait for a render when its provider sends a webhook
    usecases.generation.cancel_render       stop a render at its provider
    usecases.generation.store_and_close     store the finished video, and close its record
    usecases.generation.inspect             decode a stored video, in a function without keys
    usecases.generation.store_again         download a finished render again after a failure

Post it:

    usecases.posting.accounts               refuse accounts that are not connected; read the accounts every night
    usecases.posting.plan_posts             captions and times of the posts, and whether each network accepts them
    usecases.posting.approval               ask a person before posting, and signal the answer to the state machine
    usecases.posting.create_post            submit a post at most once
    usecases.posting.reconcile              find a post whose answer was lost; never send it again
    usecases.posting.check_post             check a post until its network has published or refused it
    usecases.posting.repost                 repost a stored video, or resolve a post with an unknown outcome
    usecases.posting.reschedule             move or cancel a scheduled post
    usecases.posting.read_posts             read posts, schedules and approvals

Batches:

    wire.batches                            the requests, replies and file lines of batches
    usecases.batches.create                 create, read and cancel a batch
    usecases.batches.submit                 read its file, submit its rows in chunks, record each outcome
    usecases.batches.finish                 monitor it until all videos ended, write the results, send its event
    wire.results                            the outcome of each row, as JSON Lines and CSV

Read, cancel and delete videos:

    usecases.videos.read                    videos, downloads and usage
    usecases.videos.cancel                  end a video that is not stored yet, and keep its record
    usecases.videos.delete                  stop a video, remove its files, delete its record
    usecases.videos.resume                  resume a video without a running execution
    wire.video_object                       a record as OpenAI's Video object, with our fields
    wire.objects                            the other replies: lists, models, usage, estimates, uploads
    wire.errors                             errors in OpenAI's envelope

Run on a timer or an event:

    usecases.scheduled.sweep                visit due records, and clean up after crashes
    wire.table_stream                       the keys in the table's stream
    usecases.scheduled.announce             send the queued event of every new video
    usecases.scheduled.recorded_events      write the event of a record, and find the record of an event
    wire.webhooks                           an event as OpenAI's event object, signed for its receiver
    usecases.scheduled.deliver_webhook      deliver an event to its owner's webhook, retried for a day

Stores:

    stores.table                            the table's interface; every write is conditional
    stores.dynamodb_table                   the table in DynamoDB
    stores.bucket                           the bucket's interface: files by key, with versions
    stores.s3_bucket                        the bucket in S3
    stores.checked_model                    immutable models whose copies are validated
    stores.videos                           the record of a video, and its transitions
    stores.posts                            the record of a post, and its transitions
    stores.approvals                        the approval of a video
    stores.batches                          the record of a batch, and the counters of its videos
    stores.batch_files                      the files of a batch
    stores.due                              due times, which the sweep reads
    stores.capacity                         the slots of each provider, and the queue for them
    stores.rate                             rate limits for the publisher and for uploads
    stores.accounts                         the accounts connected at the publisher
    stores.keys                             API keys, stored as hashes
    stores.budget                           money spent and reserved, by owner and day
    stores.idempotency                      which video a request became
    stores.render_times                     recent render times of each model
    stores.job_callbacks                    joins a provider's webhook and the wait for its job
    stores.media                            MP4s and pictures in the bucket: verified, then signed for download
    stores.promises                         compares a stored video with its request
    stores.inbox                            request files in the bucket, and their results
    stores.series                           series, the rows to take, and the runs that took one
    stores.sheets                           the sheets of series in the bucket

Providers and the publisher:

    ai.video_model_interface        the interface of every video model
    ai.video_job                    its types: requests, jobs, and the ids of jobs
    ai.waiting                      waits for jobs to end, one or many at once
    ai.video_model_factory          builds a model by its provider's name, with a lazy import
    ai.catalog                      the models, their limits and prices (catalog.toml)
    ai.catalog_entry                one model of the catalog
    ai.provider_options             the vendor fields that a request may set
    ai.sora_model                   any server of OpenAI's Videos API
    ai.sora_wire                    its jobs, read tolerantly because servers differ
    ai.gemini_model                 Gemini Omni, through Google's Interactions API
    ai.gemini_wire                  its interactions
    ai.gemini_body                  reads a response without holding an inline clip in memory
    ai.runway_model                 Runway's API
    ai.runway_wire                  its tasks
    ai.fal_model                    the models that fal serves, each with its own fields
    ai.fal_wire                     its queue
    ai.pika_model                   Pika's models, which exist only behind fal
    ai.bedrock_model                Luma's Ray, through Amazon Bedrock's asynchronous invocations
    ai.bedrock_wire                 its invocations, and the files it writes into the bucket
    ai.sandbox_model                the model of the local sandbox
    ai.http_adapter                 the base of the video models behind a vendor's HTTP API
    ai.provider_errors              maps a provider's refusals, and the lack of a reply, to our errors
    ai.reference_image              the image that a request refers to, for any model
    ai.webhook_signature            verifies a vendor's webhook against forgery and replay
    http.vendor                     calls one vendor: the key goes only to its origin, a paid call is sent once
    http.outbound                   reaches a URL that a caller or a provider chose
    http.addresses                  which URLs and addresses a request may go to
    http.file_stream                reads a file from a response, within a limit and a deadline
    http.bounded                    HTTP requests with a total time limit, however slowly a server sends
    http.reply                      reads a response: bounded, decoded, parsed
    publishing.publisher_interface  the interface of the publisher, and its types
    publishing.targets              one closed model for each social network
    publishing.target_base          the fields and rules that all networks share
    publishing.networks             each network's limits for a post, in one table
    publishing.text_units           how networks count text: weights, bytes, UTF-16 units, graphemes
    publishing.tags                 counts the hashtags, mentions and links of a text
    publishing.links                finds links as X does
    publishing.top_level_domains    the domains that such a link can end in
    publishing.blotato_client       Blotato's REST API
    publishing.blotato_errors       maps its refusals, and the lack of a reply, to our errors
    publishing.blotato_wire         its responses, read leniently

The bytes of a video:

    media.video_stream                      the bytes of a video from a provider or a bucket
    media.ingest                            one verified pass: hashed, walked, resumed after a broken connection
    media.mp4                               walks the boxes of an MP4 while its bytes come
    media.inspection                        the request and reply of the function that decodes a stored video
    media.probe                             measures an MP4, and draws its thumbnail and spritesheet

Shared vocabulary:

    domain.errors                           every error, in one vocabulary
    domain.validation_errors                validation errors as sentences for people
    domain.executions                       the status of an execution
    domain.viewer                           who may see a record: its owner, and an admin
    domain.text                             text that JSON and the table can hold

Composition:

    current                                 the stack of this process
    stack                                   builds each collaborator once, lazily, on a host's edges
    edges                                   the interface of a host
    aws                                     the edges on AWS; reads the environment
    vendors                                 builds the providers and the publisher; knows every adapter
    lambda_calls                            calls from one function of the stack to another
    config                                  the settings of a stack
    events                                  sends events to the bus
    workflow                                starts executions in Step Functions
    observability                           the logger and the metrics

The embedded host (one process on one machine):

    host.workflow                           starts executions on this host, with the methods of `workflow`
    host.executions                         records executions, and restarts them when the host starts
    host.loop                               runs executions: one thread, timers, and a pool for calls
    host.walker                             walks a state machine's definition
    host.definition                         reads and checks a state machine's definition
    host.expressions                        the JSONata of a definition
    host.database                           the SQLite file: connections, transactions, its version
    host.table                              the table in SQLite
    host.bucket                             the bucket in a folder
    host.keys_on_disk                       file names for object keys
    host.disk                               file operations that survive a crash, on any system
    host.links                              signed links to files, and the responses to them
    host.env_file                           the variables of a .env file and of the environment
    host.lock                               allows one host at a time in a folder
    host.decoder                            decodes stored videos, and draws clips, in child processes
    host.decoder_child, host.child_jobs     the program of such a child, and what it is asked
    host.children                           child processes: how many, for how long, and replaced when
    host.pretend.sandbox_model              the sandbox model, without a server
    host.pretend.sandbox_provider           its jobs, on disk, and its webhooks
    host.pretend.render                     draws a clip that shows its prompt
    host.pretend.publisher                  a publisher that posts nowhere
    host.pretend.faults                     failures to ask for in a prompt or in the text of a post

The command line:

    cli                             `mediaposter`, and its exit statuses
    cli.app                         the Typer app and its command groups, loaded on demand
    cli.session                     how commands find a stack, reach Blotato and tell the time
    cli.accounts                    the accounts connected at Blotato
    cli.keys                        make, list and revoke API keys
    cli.models                      list the models; check your own catalog
    cli.schedule                    make, list, show, change and end series
    cli.sheet_file                  read a sheet on this machine, and check its rows
    cli.series_report               series and their rows, as tables and as JSON
    cli.timing                      when a series runs, in words and as EventBridge Scheduler expects it
    cli.scheduler                   the schedules of series at EventBridge Scheduler
    cli.webhooks                    the secret that signs an owner's webhooks
    cli.deployed_stack              a deployed stack by name, with your AWS rights
    cli.options, cli.console        options and output that all commands share
    cli.api                         commands over HTTP: their shared options, and what each is given
    cli.address                     which stack a command over HTTP is about
    cli.host_address                where the data of a host is, and how the host that runs is reached
    cli.client                      calls to the API, repeated only where that costs and publishes nothing twice
    cli.replies                     the replies of the API, as far as commands show them
    cli.follow, cli.progress        follow a video or a batch, and show how far it is
    cli.files                       files that commands write, checked and never over another
    cli.generate                    request, remix and follow a video
    cli.videos                      list, show, watch, download, cancel and delete videos
    cli.posts                       post a video, approve or reject it
    cli.batch, cli.batch_file       check a file of rows, make its videos, fetch the results
    cli.usage                       what was spent
    cli.secrets                     put a key where a host or a stack reads it
    cli.doctor                      whether a stack is there, and what it lacks

Imports point downwards, from each line to those below it and never back:

    functions, cli
    current
    aws, host
    stack, vendors, lambda_calls
    edges
    usecases
    wire
    stores, workflow, events
    ai.catalog, ai.video_model_interface, publishing.publisher_interface, publishing.targets
    publishing.target_base
    publishing.networks
    publishing.tags
    publishing.text_units
    publishing.links
    publishing.top_level_domains
    media
    config
    domain

Only vendors imports the adapters (ai.*_model, through the factory, and publishing.blotato_client); cli.session also
imports the last. The host imports nothing of AWS. A video model knows only its vendor: no boto3, no stores, no use
cases, no other model. The exceptions: bedrock_model uses boto3, and pika_model extends fal_model. `make check` enforces
it. Importing a module does no I/O, reads no environment and builds no client; a test enforces that.
"""
