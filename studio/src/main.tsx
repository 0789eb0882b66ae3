// Where the studio starts.
import { render } from "preact";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/ui.css";
import "./styles/frame.css";
import "./styles/library.css";
import "./styles/video.css";
import "./styles/make.css";
import "./styles/post.css";
import "./styles/tables.css";
import { App } from "./app";
import { startKeyboard } from "./keyboard";
import { startModels } from "./models";
import { startForm } from "./pages/make";
import { startPosting } from "./posting";
import { startStore } from "./store";
import { startTitle } from "./title";

startStore();
startModels();
startForm();
startPosting();
startTitle();
startKeyboard();
render(<App />, document.querySelector("#studio")!);
