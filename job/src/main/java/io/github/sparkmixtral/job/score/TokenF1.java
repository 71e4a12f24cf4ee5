package io.github.sparkmixtral.job.score;

import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * The harmonic mean of precision and recall of an answer's words, as SQuAD's evaluation has it (Rajpurkar et al. 2016 and 2018):
 * in lower case, without ASCII punctuation, without the English articles. If either side has no words, both must have none.
 */
final class TokenF1 {
    private static final Pattern PUNCTUATION = Pattern.compile("\\p{Punct}");
    private static final Pattern ARTICLES = Pattern.compile("\\b(?:a|an|the)\\b", Pattern.UNICODE_CHARACTER_CLASS);
    private static final Pattern SPACE = Pattern.compile("\\s+", Pattern.UNICODE_CHARACTER_CLASS);

    private TokenF1() {}

    static List<String> words(String text) {
        String plain = PUNCTUATION.matcher(text.toLowerCase(Locale.ROOT)).replaceAll("");
        String spaced = ARTICLES.matcher(plain).replaceAll(" ");
        return SPACE.splitAsStream(spaced).filter(word -> !word.isEmpty()).toList();
    }

    /** In [0, 1]. */
    static double of(List<String> answer, List<String> expected) {
        if (answer.isEmpty() || expected.isEmpty()) {
            return answer.equals(expected) ? 1 : 0;
        }
        Map<String, Integer> left = new HashMap<>();
        expected.forEach(word -> left.merge(word, 1, Integer::sum));
        int common = 0;
        for (String word : answer) {
            if (left.merge(word, -1, Integer::sum) >= 0) {
                common++;
            }
        }
        return 2.0 * common / (answer.size() + expected.size());
    }
}
