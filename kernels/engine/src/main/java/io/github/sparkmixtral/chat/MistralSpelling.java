package io.github.sparkmixtral.chat;

import java.util.List;

/**
 * Tells whether a template is one of the many spellings of Mistral's own formats. They differ in spaces, in what they say to a wrong
 * conversation, and in whether they know a system message; the tokens that Mistral trained with are those of mistral-common.
 */
final class MistralSpelling {
    private static final ChatMessage FIRST = new ChatMessage(Role.USER, "First question");
    private static final ChatMessage ANSWER = new ChatMessage(Role.ASSISTANT, "First answer");
    private static final ChatMessage LAST = new ChatMessage(Role.USER, "Last question");
    private static final ChatMessage SYSTEM = new ChatMessage(Role.SYSTEM, "System text");

    private MistralSpelling() {}

    /** Renders a few conversations and compares all but the spaces. */
    static boolean isOf(TemplateFormat template) {
        boolean conversations = renders(template, List.of(FIRST), "%1$s[INST]Firstquestion[/INST]")
                && renders(
                        template,
                        List.of(FIRST, ANSWER, LAST),
                        "%1$s[INST]Firstquestion[/INST]Firstanswer%2$s[INST]Lastquestion[/INST]");
        return conversations
                && (refuses(template)
                        || renders(template, List.of(SYSTEM, FIRST), "%1$s[INST]Systemtext\n\nFirstquestion[/INST]"));
    }

    private static boolean refuses(TemplateFormat template) {
        try {
            template.text(List.of(SYSTEM, FIRST), List.of());
            return false;
        } catch (ChatException e) {
            return e.getMessage().contains("refuses");
        }
    }

    private static boolean renders(TemplateFormat template, List<ChatMessage> messages, String expected) {
        try {
            String text = template.text(messages, List.of()).value();
            return text.replace(" ", "").equals(expected.formatted(template.bosToken(), template.eosToken()));
        } catch (ChatException e) {
            return false;
        }
    }
}
