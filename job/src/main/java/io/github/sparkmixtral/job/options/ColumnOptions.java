package io.github.sparkmixtral.job.options;

import io.github.sparkmixtral.chat.Conversation;
import io.github.sparkmixtral.engine.Pooling;
import io.github.sparkmixtral.service.RequestDefaults.SpecialTokens;
import io.github.sparkmixtral.service.Task;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Help.Visibility;
import picocli.CommandLine.Option;

/** What of a row is the request: options as they are written. */
public final class ColumnOptions {
    @Option(
            names = "--prompt-column",
            paramLabel = "NAME",
            description =
                    "Column with the prompt. No other column is asked then. Default: prompt, else inputs; for text"
                            + " input, the line")
    String promptColumn;

    @Option(
            names = "--messages-column",
            paramLabel = "NAME",
            description = "Column with a conversation: an array of {role, content}, or the same as JSON text; {from,"
                    + " value} will do. With --prompt-column, a row may have either. Default: messages, else"
                    + " conversations")
    String messagesColumn;

    @Option(
            names = "--id-column",
            paramLabel = "NAME|none",
            description =
                    "Column with a unique id. With none, ids are made of file and position, the same in every run."
                            + " Default: custom_id, else id if its values are unique; else none")
    String idColumn;

    @Option(
            names = "--prompt-template",
            paramLabel = "TEXT",
            description =
                    "Make the prompt of other columns: 'Translate into {language}: {text}'. {{ and }} are" + " braces.")
    String promptTemplate;

    @Option(
            names = "--system-prompt",
            paramLabel = "TEXT",
            description = "System message for every row that has none of its own; needs --task chat or classify.")
    String systemPrompt;

    @Option(
            names = "--safe-prompt",
            description = "Put Mistral's text for safe answers first, as its API does with safe_prompt: \""
                    + Conversation.SAFE_PROMPT
                    + "\" A system message, the row's or --system-prompt, follows after a blank line. A row's own"
                    + " safe_prompt wins. Needs --task chat or classify.")
    boolean safePrompt;

    @Option(
            names = "--task",
            paramLabel = "chat|complete|embed|score|classify|agent",
            defaultValue = "chat",
            description =
                    "chat makes a prompt one user message in the model's instruct format; complete continues it as it is,"
                            + " after BOS; embed makes an embedding of it as it is; score says how likely the text of"
                            + " --completion-column is behind it; classify answers as chat, with the likeliest of --choices; agent lets"
                            + " the model call --tools until it gives its final answer.")
    Task task;

    @Option(
            names = "--completion-column",
            paramLabel = "NAME",
            description = "Column with the text that --task score scores. Default: completion")
    String completionColumn;

    @Option(
            names = "--choices",
            showDefaultValue = Visibility.NEVER,
            paramLabel = "TEXT",
            split = ",",
            description =
                    "What --task classify chooses among: positive,negative,neutral. May be given more than once. Default: a"
                            + " row's own structured_outputs or guided_choice")
    List<String> choices = new ArrayList<>();

    @Option(
            names = "--pooling",
            paramLabel = "mean|last",
            description =
                    "What --task embed makes of a prompt's hidden states: their mean over all tokens, BOS included, or the last"
                            + " one. Default: mean")
    Pooling pooling;

    @Option(names = "--normalize", defaultValue = "false", description = "Divide embeddings by their lengths.")
    boolean normalize;

    @Option(
            names = "--parameter-columns",
            paramLabel = "auto|none|NAME",
            split = ",",
            defaultValue = "auto",
            description =
                    "Columns with rows' own sampling parameters, which win over the options: max_tokens,temperature."
                            + " auto takes those that have a parameter's name, and the objects sampling_params and, beside"
                            + " inputs, parameters; but seed, stop, n, temperature, safe_prompt and tools only if their values can be"
                            + " one.")
    List<String> parameterColumns = new ArrayList<>();

    @Option(
            names = "--drop-columns",
            showDefaultValue = Visibility.NEVER,
            paramLabel = "NAME",
            split = ",",
            description =
                    "Columns of the input that the output does not get. They may still say what is asked. Default:"
                            + " none")
    List<String> dropColumns = new ArrayList<>();

    @Option(
            names = "--chat-template",
            paramLabel = ChatTemplateOption.LABEL,
            converter = ChatTemplateOption.class,
            description = ChatTemplateOption.DESCRIPTION)
    String chatTemplate;

    @Option(
            names = "--special-tokens",
            paramLabel = "text|parse",
            description =
                    "What special tokens in a prompt become that is taken as it is: parse makes tokens of <s>, [INST],"
                            + " <|im_start|> and the like, and adds no second BOS. Default: text, which spells them out")
    SpecialTokens specialTokens;

    @Option(
            names = "--output-columns",
            showDefaultValue = Visibility.NEVER,
            paramLabel = "NAME=NEW",
            split = ",",
            description = "Other names for columns of the output: generated_text=answer,usage=tokens. Default: none")
    Map<String, String> outputColumns = new LinkedHashMap<>();

    @Option(
            names = "--output-column-type",
            paramLabel = "schema|TYPE",
            description =
                    "Add the column parsed with the answer's values, and parsed_error, which says why an answer has none."
                            + " schema takes the type from the JSON schema of --response-format or --structured-outputs. A type"
                            + " of Spark's SQL, such as 'STRUCT<name: STRING, age: INT>', has to fit that schema; without one,"
                            + " answers are held to the type. Default: no such columns")
    String outputColumnType;
}
