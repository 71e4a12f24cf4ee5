package io.github.sparkmixtral.job.options;

import io.github.sparkmixtral.agent.Agent;
import io.github.sparkmixtral.agent.Toolbox;
import io.github.sparkmixtral.chat.ChatException;
import io.github.sparkmixtral.chat.ChatFormat;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.model.ModelDescription;
import io.github.sparkmixtral.service.RequestDefaults;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Set;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** The value of {@code --chat-template}: the name of a format, or the text of the file that is named. */
public final class ChatTemplateOption implements ITypeConverter<String> {
    static final String LABEL = "FILE|none|mistral-v1|mistral-v3|chatml";

    static final String DESCRIPTION =
            "Chat format in place of the model's own: a local file with a template in Jinja, or a format by"
                    + " its name; none is Mistral's format that fits the vocabulary. Default: the chat_template of the"
                    + " model's files, or Mistral's format where that is what it spells";

    private static final Set<String> FORMATS = Set.of(ChatFormat.NONE, "mistral-v1", "mistral-v3", "chatml");
    private static final long MOST_BYTES = 1 << 20;

    @Override
    public String convert(String value) {
        if (FORMATS.contains(value)) {
            return value;
        }
        String wanted = "must be none, mistral-v1, mistral-v3, chatml or a file with a template in Jinja, not " + value;
        try {
            Path file = Path.of(value);
            if (!Files.isRegularFile(file)) {
                throw new TypeConversionException(wanted + ", which is no file");
            }
            if (Files.size(file) > MOST_BYTES) {
                throw new TypeConversionException(wanted + ", which has more than " + MOST_BYTES + " bytes");
            }
            return Files.readString(file);
        } catch (IOException | InvalidPathException e) {
            throw new TypeConversionException(wanted + ", which cannot be read: " + e.getMessage());
        }
    }

    /**
     * The format in which a model is asked, and why it is this one, in one line for the log.
     *
     * @throws JobException with exit code 2 where it does not fit the model
     */
    public static String described(ModelDescription model, RequestDefaults defaults) {
        try {
            ChatFormat.Choice choice =
                    ChatFormat.choose(model.tokenizer(), model.chatTemplates(), defaults.chatTemplate());
            if (defaults.agent() != null) {
                Agent.of(defaults.agent(), Toolbox.ofNames(defaults.agent()), choice.format());
            }
            return "Chat format " + choice.format().name() + ": " + choice.reason();
        } catch (IllegalArgumentException e) {
            throw JobException.usage(OptionValues.inOptionSpelling(e.getMessage()));
        } catch (ChatException e) {
            throw JobException.usage(e.getMessage());
        }
    }
}
