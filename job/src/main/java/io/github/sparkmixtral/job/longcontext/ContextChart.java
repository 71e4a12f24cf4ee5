package io.github.sparkmixtral.job.longcontext;

import java.awt.Color;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import javax.imageio.ImageIO;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.HeatMapChart;
import org.knowm.xchart.HeatMapChartBuilder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.internal.chartpart.Chart;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** Pictures of what a model does with long contexts, as PNG. */
final class ContextChart {
    private static final int WIDTH = 900;
    private static final int HEIGHT = 500;

    /** Light enough for black figures on them. */
    private static final Color[] NONE_TO_ALL = {
        new Color(0xF4, 0x8F, 0x7F), new Color(0xFB, 0xE6, 0x9B), new Color(0x9C, 0xD3, 0x9A)
    };

    private ContextChart() {}

    /**
     * Shares of keys that were found.
     *
     * @param found {@code [lengths][depths]}, in [0, 1]
     */
    static byte[] found(List<Integer> lengths, List<Integer> depths, double[][] found) {
        HeatMapChart chart = new HeatMapChartBuilder()
                .width(WIDTH)
                .height(HEIGHT)
                .title("Pass keys found, in percent")
                .xAxisTitle("tokens of the prompt")
                .yAxisTitle("depth of the pass key, in percent")
                .build();
        Number[][] cells = new Number[lengths.size() * depths.size()][];
        for (int length = 0; length < lengths.size(); length++) {
            for (int depth = 0; depth < depths.size(); depth++) {
                cells[length * depths.size() + depth] =
                        new Number[] {length, depth, Math.round(100 * found[length][depth])};
            }
        }
        chart.addSeries("found", lengths, depths, List.of(cells));
        chart.getStyler()
                .setMin(0)
                .setMax(100)
                .setShowValue(true)
                .setRangeColors(NONE_TO_ALL)
                .setLegendPosition(LegendPosition.OutsideE)
                .setChartBackgroundColor(Color.WHITE);
        return png(chart);
    }

    /** Perplexities of tokens by where they stand. */
    static byte[] perplexity(List<Integer> positions, List<Double> perplexities) {
        XYChart chart = new XYChartBuilder()
                .width(WIDTH)
                .height(HEIGHT)
                .title("Perplexity by context")
                .xAxisTitle("tokens before")
                .yAxisTitle("perplexity")
                .build();
        chart.addSeries("perplexity", positions, perplexities).setMarker(SeriesMarkers.CIRCLE);
        chart.getStyler().setYAxisMin(0.0).setLegendVisible(false).setChartBackgroundColor(Color.WHITE);
        return png(chart);
    }

    private static byte[] png(Chart<?, ?> chart) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try {
            ImageIO.write(BitmapEncoder.getBufferedImage(chart), "png", bytes);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return bytes.toByteArray();
    }
}
