// What the page draws with: the marks it uses of Observable Plot, and dagre for the layout of the graph.
export {areaY, axisX, axisY, gridX, gridY, lineY, plot, pointerX, rectY, ruleX, ruleY, text, tip} from "@observablehq/plot";
export {Graph, layout} from "@dagrejs/dagre";
