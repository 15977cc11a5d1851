import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "../../page/chat.css";
import { Conversation } from "../../page/conversation.js";
import { Chat } from "./Chat";

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <Chat conversation={new Conversation()} />
  </StrictMode>,
);
